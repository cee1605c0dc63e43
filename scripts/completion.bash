# bash completion for minerva
_minerva() {
    local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]}
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W "$(minerva help 2>/dev/null \
            | sed -n 's/^  \([a-z]*\) .*/\1/p') help" -- "$word"))
    elif [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$(minerva "$verb" --help 2>/dev/null \
            | grep -o -- '--[a-z-]*' | sort -u)" -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word") $(compgen -W "$(minerva list 2>/dev/null \
            | sed -n '2,$s/ .*//p')" -- "$word"))
    fi
}
complete -o filenames -F _minerva minerva
