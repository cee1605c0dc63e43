# The command line as a user meets it: answers, machine-readable forms, errors, exit codes.
. tests/shell.sh
gguf=tests/data/models/stories260k.gguf
dir=tests/data/models/stories260k-hf
story=", there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball."

begin gguf_and_directory_tell_the_same_story
a=$("$MINERVA" run $gguf "Once upon a time" --raw --temp 0 -n 200 </dev/null)
b=$("$MINERVA" run $dir "Once upon a time" --raw --temp 0 -n 200 </dev/null)
check "the known beginning" contains "$a" "$story"
check "equal text from both" same "$a" "$b"
end

begin tokens_agree_between_the_two_forms
a=$(printf 'Once upon a time, there was a fox.\n' | "$MINERVA" tokenize $gguf --json)
b=$(printf 'Once upon a time, there was a fox.\n' | "$MINERVA" tokenize $dir --json)
check "equal ids" same "$a" "$b"
c=$(echo "$a" | "$MINERVA" tokenize $gguf --decode --skip-special)
check "decoding goes back" same "Once upon a time, there was a fox." "$c"
end

begin logits_have_the_form_that_is_promised
out=$("$MINERVA" logits $gguf --tokens 1,403,407 --precise)
check "the frame" contains "$out" '{"vocab":512,"logits":[['
all=$("$MINERVA" logits $gguf --tokens 1,403,407 --all --precise | grep -o '\],\[' | wc -l)
check "three rows with --all" same 2 "$all"
end

begin stdin_goes_below_the_prompt
a=$(printf 'a time' | "$MINERVA" run $gguf "Once upon" --raw --temp 0 -n 8)
b=$("$MINERVA" run $gguf "Once upon

a time" --raw --temp 0 -n 8 </dev/null)
check "equal answers" same "$b" "$a"
end

begin seeds_make_answers_repeat
a=$("$MINERVA" run $gguf "Once" --raw --temp 1 --seed 7 -n 40 </dev/null)
b=$("$MINERVA" run $gguf "Once" --raw --temp 1 --seed 7 -n 40 </dev/null)
c=$("$MINERVA" run $gguf "Once" --raw --temp 1 --seed 8 -n 40 </dev/null)
check "equal seeds, equal text" same "$a" "$b"
check "another seed, another text" test "$a" != "$c"
end

begin stop_strings_end_the_text_and_are_no_part_of_it
a=$("$MINERVA" run $gguf "Once upon a time" --raw --temp 0 -n 100 --stop " Lily" </dev/null)
check "cut before the stop string" same ", there was a little girl named" "$a"
end

begin batches_and_threads_do_not_change_the_story
a=$("$MINERVA" run $gguf "Once upon a time" --raw --temp 0 -n 60 </dev/null)
for o in "-b 1" "-b 3" "-t 1" "-t 3" "--kv f32"; do
    check "the same with $o" same "$a" "$("$MINERVA" run $gguf "Once upon a time" --raw --temp 0 -n 60 $o </dev/null)"
done
for isa in ref avx2 avx512; do
    out=$(MINERVA_CPU=$isa "$MINERVA" run $gguf "Once upon a time" --raw --temp 0 -n 60 </dev/null 2>"$tmp/err") \
        && check "the same with kernels $isa" same "$a" "$out"
done
end

# usage ARGS...: exit code 2, one line on stderr, nothing on stdout
usage() {
    out=$("$MINERVA" "$@" 2>"$tmp/err" </dev/null); code=$?
    same 2 $code && same "" "$out" && same 1 "$(wc -l < "$tmp/err")"
}
# fails TEXT ARGS...: exit code 1 and one line on stderr that contains TEXT
fails() {
    text=$1; shift
    out=$("$MINERVA" "$@" 2>"$tmp/err" </dev/null); code=$?
    same 1 $code && same 1 "$(wc -l < "$tmp/err")" && contains "$(cat "$tmp/err")" "$text"
}

begin wrong_usage_is_exit_code_2_and_one_line
check "no such verb" usage nonsense
check "no such option" usage run --nonsense
check "a number wanted" usage run $gguf hello -n many
check "no prompt" usage run $gguf
check "too many arguments" usage show a b
check "logits without tokens" usage logits $gguf
check "bad tokens" usage logits $gguf --tokens 1,x
check "render without a model" usage render
end

begin failures_are_exit_code_1_and_one_line
check "a file that is not there" fails "no such file" run missing.gguf hi
check "a directory without a model" fails "tests/data" show tests/data
check "not a model" fails "a model directory expected" run Makefile hi
head -c 1000 $gguf > "$tmp/cut.gguf"
check "a truncated file" fails "" run "$tmp/cut.gguf" hi
check "a token out of range" fails "511" logits $gguf --tokens 512
check "a prompt longer than the context" fails "512" logits $gguf --tokens "$(seq -s, 1 0; yes 5, | head -600 | tr -d '\n')5"
check "no chat template" fails "chat template" run $gguf hi
check "temperature below 0" fails "temperature" run $gguf hi --raw --temp -1
check "no such backend" fails "nonsense" run $gguf hi --raw --backend nonsense
end

begin a_closed_pipe_is_no_crash
"$MINERVA" run $gguf "Once" --raw --temp 0 -n 300 </dev/null 2>"$tmp/err" | head -c 5 >/dev/null
check "no signal" test ! -s "$tmp/core"
end

begin help_names_every_verb
out=$("$MINERVA" help)
for verb in run chat show list bench tokenize render logits embed backends doctor; do
    check "help of $verb" contains "$out" "  $verb "
    check "$verb --help" contains "$("$MINERVA" $verb --help)" "usage: minerva $verb"
done
check "the version" contains "$("$MINERVA" --version)" "minerva $(cat VERSION)"
end

begin show_tells_what_a_model_is
out=$("$MINERVA" show $gguf)
for word in GGUF llama F32 "context" "512 tokens" tokenizer "runs it"; do
    check "show says $word" contains "$out" "$word"
done
check "JSON for programs" contains "$("$MINERVA" show $dir --json)" '"format": "safetensors"'
end

begin render_works_with_a_bare_template
printf '%s' '{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}{{ x }}' > "$tmp/t.jinja"
out=$(echo '{"messages":[{"role":"user","content":"hi"}],"kwargs":{"x":7}}' | "$MINERVA" render --template "$tmp/t.jinja")
check "the text" same "[user] hi7" "$out"
echo '{"messages":[],"mesages":1}' | "$MINERVA" render --template "$tmp/t.jinja" >"$tmp/out" 2>"$tmp/err"
check "a misspelt member is named" contains "$(cat "$tmp/err")" mesages
end

begin schema_explains_what_becomes_of_each_keyword
printf '{"title":"t","type":"object","properties":{"a":{"pattern":"(?<=x)"}}}' > "$tmp/s.json"
out=$("$MINERVA" schema --explain "$tmp/s.json"); code=$?
check "exit code 2" same 2 "$code"
check "what is enforced" contains "$out" "enforced    #  type"
check "an annotation" contains "$out" "annotation  #  title"
check "what is refused, and where" contains "$out" "refused     #/properties/a  pattern"
check "the verdict" contains "$out" "it does not compile"
out=$(echo '{"type":"null"}' | "$MINERVA" schema --explain --json); code=$?
check "exit code 0" same 0 "$code"
check "JSON from stdin" contains "$out" '"compiles":true'
echo '{' | "$MINERVA" schema --explain >"$tmp/out" 2>"$tmp/err"; code=$?
check "exit code 1" same 1 "$code"
check "one line" same 1 "$(wc -l <"$tmp/err")"
check "nothing on stdout" same 0 "$(wc -c <"$tmp/out")"
end

begin models_are_found_by_name
mkdir -p "$MINERVA_HOME/models"
cp $gguf "$MINERVA_HOME/models/tiny.gguf"
check "run by name" same ", there was" "$("$MINERVA" run tiny "Once upon a time" --raw --temp 0 -n 3 </dev/null)"
check "list shows it" contains "$("$MINERVA" list)" "tiny "
end
finish
