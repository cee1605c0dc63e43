# `make install` into a folder, and the example programs built against what lies there.
. tests/shell.sh
begin examples_build_and_run_against_the_installed_library
make -s install PREFIX="$tmp/usr" B="$BUILD" >"$tmp/log" 2>&1 || cat "$tmp/log"
export PKG_CONFIG_PATH="$tmp/usr/lib/pkgconfig" LD_LIBRARY_PATH="$tmp/usr/lib"
san=""
case $BUILD in *address*) san="-fsanitize=address,undefined" ;; *thread*) san="-fsanitize=thread" ;; esac
for example in complete perplexity; do
    check "$example compiles" cc -std=c11 -Wall -Werror $san "examples/$example.c" \
        $(pkg-config --cflags --libs minerva) -lm -o "$tmp/$example"
done
out=$("$tmp/complete" tests/data/models/stories260k.gguf "Once upon a time" 5)
check "complete tells the story" same ", there was a little" "$out"
out=$(echo "Once upon a time, there was a little girl named Lily." | "$tmp/perplexity" tests/data/models/stories260k-hf)
check "perplexity prints a number" contains "$out" "perplexity "
check "the man page is there" test -s "$tmp/usr/share/man/man1/minerva.1"
if [ -x "$BUILD/minerva-app" ]; then
    check "the window's program" test -x "$tmp/usr/libexec/minerva/minerva-app"
    check "which \"minerva app\" finds" contains "$(env -u DISPLAY -u WAYLAND_DISPLAY "$tmp/usr/bin/minerva" app 2>&1)" "a display expected"
fi
check "the program runs from there" contains "$("$tmp/usr/bin/minerva" --version)" minerva
end
finish
