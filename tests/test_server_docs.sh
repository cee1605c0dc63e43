# The examples of docs/server.md as they are printed there, and the npm client of OpenAI.
. tests/shell.sh
if ! command -v curl >/dev/null || [ ! -r models/minerva-nano.gguf ]; then
    skip_test the_examples_of_the_documentation_work "curl or the bundled model is not there"
    finish
fi

begin the_examples_of_the_documentation_work
serve models/minerva-nano.gguf --key alice:a-long-secret
# Every block that begins with curl; what stands in the line "-> text" below must come back.
awk '/^```/ { inside = !inside; next } inside && /^curl/ { n++ } inside && n { print > ("'"$tmp"'/example" n) }
     !inside && /^-> / && n { print substr($0, 4) > ("'"$tmp"'/expected" n) }' docs/server.md
count=0
for example in "$tmp"/example*; do
    n=${example##*example}
    sed "s|http://127.0.0.1:11434|http://127.0.0.1:$port|" "$example" > "$tmp/run"
    out=$(sh "$tmp/run" 2>&1)
    check "example $n: $(head -1 "$example")" contains "$out" "$(cat "$tmp/expected$n")"
    count=$((count + 1))
done
check "at least 6 examples" test $count -ge 6
kill $pid; wait $pid
check "exit code 0" same 0 $?
end

# client PACKAGE FILE SUFFIX NAMES...: an npm client, unmodified; it prints "ok NAME"
modules=${MINERVA_TEST_NODE_MODULES:-node_modules}
client() {
    package=$1; file=$2; suffix=$3; shift 3
    test_name=the_client_${file}_works_unmodified
    if ! command -v node >/dev/null || [ ! -d "$modules/$package" ]; then
        skip_test "$test_name" "npm package $package is not there (MINERVA_TEST_NODE_MODULES)"
        return 0
    fi
    begin "$test_name"
    serve models/minerva-nano.gguf --key alice:a-long-secret
    cp "tests/peers/$file.mjs" "$tmp/"
    [ -e "$tmp/node_modules" ] || ln -s "$(cd "$modules" && pwd)" "$tmp/node_modules"
    out=$(node "$tmp/$file.mjs" "http://127.0.0.1:$port$suffix" a-long-secret 2>&1)
    for what; do check "$what" contains "$out" "ok $what"; done
    kill $pid; wait $pid
    end
}
client openai openai /v1 models chat stream "stream helper" logprobs completions embeddings \
    errors tools json_schema responses abort
client @anthropic-ai/sdk anthropic "" messages stream "stop sequences" tools "count tokens" errors
client ollama ollama "" models chat generate tools format embeddings errors
client @langchain/openai frameworks /v1 langchain vercel
finish
