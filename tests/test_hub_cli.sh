# search, pull, list, show, alias, config and rm as a user types them, against the test hub.
. tests/shell.sh
"$BUILD/tests/run_hub_server" > "$tmp/address" & hub=$!
trap 'kill $hub 2>/dev/null; rm -rf "$tmp"' EXIT
for i in 1 2 3 4 5 6 7 8 9 10; do [ -s "$tmp/address" ] || sleep 0.5; done
HF_ENDPOINT=$(cat "$tmp/address")
HOME="$tmp/user"
export HF_ENDPOINT HOME
unset HF_TOKEN HF_HOME HF_HUB_CACHE XDG_CACHE_HOME OLLAMA_MODELS LLAMA_CACHE http_proxy all_proxy ALL_PROXY 2>/dev/null || true

begin search_prints_a_table_and_pages
out=$("$MINERVA" search x 2>"$tmp/err")
check "a model" contains "$out" "acme/tiny-GGUF"
check "its licence" contains "$out" "apache-2.0"
check "more pages" contains "$(cat "$tmp/err")" "--page 2"
check "the third page" contains "$("$MINERVA" search x --page 3 2>&1)" "acme/model-44-GGUF"
check "no fourth" contains "$("$MINERVA" search x --page 4 2>&1)" "3 pages"
check "JSON" contains "$("$MINERVA" search x --json)" '"next":'
check "only MLX" test "$("$MINERVA" search x --format mlx -n 45 --json | grep -c '"id"')" = 1
check "what fits" contains "$("$MINERVA" search --info acme/tiny-GGUF)" "<- recommended"
end

begin pull_brings_a_model_that_runs_by_its_name
plan=$("$MINERVA" pull acme/nano-GGUF --plan)
check "the plan names the file" contains "$plan" "stories-F32.gguf"
out=$("$MINERVA" pull acme/nano-GGUF 2>"$tmp/err")
check "it is here" contains "$out" "acme/nano-GGUF:F32 is here"
check "why" contains "$(cat "$tmp/err")" "F32:"
check "lines, no terminal codes" test "$(grep -c "$(printf '\r')" "$tmp/err")" = 0
check "a second pull" contains "$("$MINERVA" pull acme/nano-GGUF:f32)" "is here already"
check "it runs" same ", there was" "$("$MINERVA" run nano-gguf "Once upon a time" --raw --temp 0 -n 3 </dev/null)"
check "in the list, used" contains "$("$MINERVA" list | grep acme/nano)" "min ago"
out=$("$MINERVA" pull acme/tiny-mlx --json)
check "JSON lines" contains "$out" '{"event":"progress"'
check "the last line" contains "$(echo "$out" | tail -1)" '"state":"pulled"'
check "the directory runs" same ", there was" "$("$MINERVA" run tiny-mlx "Once upon a time" --raw --temp 0 -n 3 </dev/null)"
end

begin show_recommends_for_this_machine
check "the reason" contains "$("$MINERVA" show nano-gguf)" "whole context of 512 tokens fits"
check "for programs" contains "$("$MINERVA" show nano-gguf --json)" '"recommendation"'
end

begin failures_are_one_line
for name in acme/gated acme/none acme/pickled acme/huge-GGUF:Q8_0 ../x; do
    "$MINERVA" pull $name >"$tmp/out" 2>"$tmp/err"; code=$?
    check "$name: exit code 1" same 1 $code
    check "$name: one line" same 1 "$(wc -l < "$tmp/err")"
done
end

begin aliases_and_choices_hold_for_every_verb
"$MINERVA" alias story acme/nano-GGUF
check "run by alias" same ", there was" "$("$MINERVA" run story "Once upon a time" --raw --temp 0 -n 3 </dev/null)"
"$MINERVA" config story context=64 kv=f32 >/dev/null
check "the choice is kept" contains "$(cat "$MINERVA_HOME/config.json")" '"context": 64'
check "config is JSON" contains "$("$MINERVA" config story)" '"kv": "f32"'
check "a bad choice" contains "$("$MINERVA" config story kv=q1 2>&1)" "q8_0 expected"
"$MINERVA" config story context= kv= >/dev/null
check "tokenize by alias" contains "$(echo hi | "$MINERVA" tokenize story --json)" ids
end

begin rm_removes_what_is_ours_alone
"$MINERVA" alias --pin story
check "pinned" contains "$("$MINERVA" rm story 2>&1)" "pinned"
"$MINERVA" alias --unpin story
check "removed" contains "$("$MINERVA" rm story)" "freed"
check "gone" test -z "$("$MINERVA" list | grep acme/nano)"
check "not the bundled one" contains "$("$MINERVA" rm minerva-nano 2>&1)" "belongs to"
end
finish
