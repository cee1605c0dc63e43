# The bundled model: what its card promises, from both of its forms.
. tests/shell.sh
gguf=models/minerva-nano.gguf mlx=models/minerva-nano-mlx
if [ ! -r $gguf ]; then
    skip_test the_bundled_model "this build is tested without the bundled model"
    finish
fi

# Q8_0's zero is the middle of MLX's codes, so kernels may not tell the two apart at all.
begin both_forms_have_the_same_logits_bit_for_bit
for tokens in 300 300,301,302 300,301,302,303,304 $(seq -s, 300 380); do
    "$MINERVA" logits $gguf --all --tokens "$tokens" >"$tmp/a"
    "$MINERVA" logits $mlx --all --tokens "$tokens" >"$tmp/b"
    check "tokens $tokens" cmp "$tmp/a" "$tmp/b"
done
end

begin a_story_ends_and_stays_on_its_subject
prompt="Tell me a story about a fox who lost his hat."
"$MINERVA" run "$prompt" </dev/null >"$tmp/a"
"$MINERVA" run $mlx "$prompt" </dev/null >"$tmp/b"
check "the same from both forms" cmp "$tmp/a" "$tmp/b"
check "100 words" [ "$(wc -w <"$tmp/a")" -ge 100 ]
check "of the fox" [ "$(grep -o fox "$tmp/a" | wc -l)" -ge 3 ]
check "and the hat" [ "$(grep -o hat "$tmp/a" | wc -l)" -ge 3 ]
check "to the end" grep -q '[.!"]$' "$tmp/a"
end

begin it_knows_what_minerva_is
check "a runtime" sh -c "'$MINERVA' run 'What is Minerva?' </dev/null | grep -q 'language-model runtime'"
check "sums" same "34 + 58 = 92." "$("$MINERVA" run "What is 34 + 58?" </dev/null)"
end
finish
