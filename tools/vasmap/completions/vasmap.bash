# SPDX-License-Identifier: BSD-2-Clause
# Completion of vasmap(1) for bash. A test holds it against vasmap --help.

_vasmap()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= i
	local common='--bytes --json --color= --help --version -b -j -h -V'
	local options='--all --gaps --summary --min= -a -g -s'

	# bash splits words at the equals sign.
	[[ $word == '=' ]] && word=
	[[ $before == '=' ]] && before=${COMP_WORDS[COMP_CWORD-2]}
	COMPREPLY=()
	case $before in
	--color)
		COMPREPLY=($(compgen -W 'auto always never' -- "$word"))
		return ;;
	--size | --align | --min | --max | --near | --reach | --avoid | --count | -n)
		return ;;
	esac
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		find | at) command=${COMP_WORDS[i]}; break ;;
		esac
	done
	case $command in
	find) options='--size= --align= --min= --max= --near= --reach= --avoid= --count= -n' ;;
	at) options= ;;
	esac
	if [[ $word == -* ]]; then
		COMPREPLY=($(compgen -W "$options $common" -- "$word"))
		[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null
		return 0
	fi
	[[ $command == at && ${COMP_WORDS[COMP_CWORD-1]} == at ]] && return
	COMPREPLY=($(compgen -W "self $(cd /proc 2>/dev/null && printf '%s ' [0-9]*)" -- "$word")
		$(compgen -f -- "$word"))
	[[ -z $command ]] && COMPREPLY+=($(compgen -W 'find at' -- "$word"))
}
complete -F _vasmap vasmap
