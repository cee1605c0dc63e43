#compdef minerva
# zsh completion for minerva
_minerva() {
    if (( CURRENT == 2 )); then
        compadd help ${(f)"$(minerva help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p')"}
    elif [[ $words[CURRENT] == -* ]]; then
        compadd -- ${(u)${(f)"$(minerva $words[2] --help 2>/dev/null | grep -o -- '--[a-z-]*')"}}
    else
        _files
        compadd -- ${(f)"$(minerva list 2>/dev/null | sed -n '2,$s/ .*//p')"}
    fi
}
_minerva "$@"
