# The same greedy tokens as llama.cpp on the same file (npm package node-llama-cpp).
. tests/shell.sh
modules=${MINERVA_TEST_NODE_MODULES:-node_modules}
if ! command -v node >/dev/null || [ ! -d "$modules/node-llama-cpp" ]; then
    skip_test llama_cpp_says_the_same_200_tokens "node-llama-cpp is not installed"
    finish
fi
begin llama_cpp_says_the_same_200_tokens
cp tests/peers/greedy.mjs "$tmp/"
ln -s "$(cd "$modules" && pwd)" "$tmp/node_modules"
for model in tests/data/models/stories260k.gguf; do
    theirs=$(printf 'Once upon a time' | node "$tmp/greedy.mjs" "$PWD/$model" 200 \
        | sed 's/.*"greedy":\[\(.*\)\].*/{"ids":[\1]}/' | "$MINERVA" tokenize $model --decode)
    ours=$("$MINERVA" run $model "Once upon a time" --raw --temp 0 -n 200 </dev/null)
    # Decoding the continuation alone drops its first space, if it has one.
    check "equal text" same "$theirs" "$ours"
done
end
finish
