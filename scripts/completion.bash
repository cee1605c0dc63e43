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
        local models=${MINERVA_HOME:-$HOME/.minerva}/models
        COMPREPLY=($(compgen -f -- "$word") $(compgen -W "$(ls "$models" 2>/dev/null)" -- "$word"))
    fi
}
complete -o filenames -F _minerva minerva
