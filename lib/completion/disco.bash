# Completion for bash: disco-hb, disco-ls, disco-watch, disco-master, disco-serve, disco-token and
# disco-http.
# shellcheck shell=bash

_disco_words() {
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}")
}

# The last of a list with commas.
_disco_list() {
	local word=${COMP_WORDS[COMP_CWORD]} before=
	[[ $word == *,* ]] && before=${word%,*},
	mapfile -t COMPREPLY < <(compgen -P "$before" -W "$1" -- "${word##*,}")
}

_disco_processes() {
	_disco_words "$(disco-ls -H -t -o process 2>/dev/null)"
	declare -F __ltrim_colon_completions >/dev/null &&
		__ltrim_colon_completions "${COMP_WORDS[COMP_CWORD]}"
}

_disco_services() {
	_disco_words "$(disco-ls -H -t -o service 2>/dev/null | sort -u)"
}

_disco_procs() {
	_disco_words "$(disco-ls --procs 2>/dev/null | sed 's/[ :].*//')"
}

_disco_folders() {
	mapfile -t COMPREPLY < <(compgen -d -- "${COMP_WORDS[COMP_CWORD]}")
}

_disco_files() {
	mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
}

_disco_columns='process service state since lastHb counter ip address host pid
	version user via reason warnAfter errorAfter forgetAfter held every boot start seq meta age'
_disco_states='active warning error inactive'
_disco_events='joined active warning error inactive changed restarted conflict forgotten
	paused resumed reset row sync beat'

_disco_ls() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	case $before in
	-o | --columns) _disco_list "$_disco_columns" ;;
	-k | --sort) _disco_words "$_disco_columns" ;;
	-S | --state) _disco_list "$_disco_states" ;;
	-s | --service) _disco_services ;;
	-d | --dir | --procs-dir) _disco_folders ;;
	--cacert | --cert | --key | --token-file) _disco_files ;;
	--proc) _disco_procs ;;
	--arg | -q | --filter | -u | --url) ;;
	*)
		case $word in
		-*) _disco_words '-1 -j -t -H -o -s -S -r -k -q -d -u -h --one --json --tsv
			--no-header --columns --service --state --reverse --sort --filter
			--why --check --proc --arg --procs --procs-dir --dir --url --cacert --cert
			--key --token-file --help --version' ;;
		*) _disco_processes ;;
		esac
		;;
	esac
}

_disco_watch() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	case $before in
	-S | --state) _disco_list "$_disco_states" ;;
	--on) _disco_list "$_disco_events" ;;
	-s | --service) _disco_services ;;
	-d | --dir) _disco_folders ;;
	--cacert | --cert | --key | --token-file) _disco_files ;;
	-n | --count | --since | --timeout | --exec | -u | --url) ;;
	*)
		case $word in
		-*) _disco_words '-j -S -n -s -d -u -h --json --state --on --since --rows --beats
			--count --timeout --wait --exec --live --service --dir --url
			--cacert --cert --key --token-file --help --version' ;;
		*) _disco_processes ;;
		esac
		;;
	esac
}

_disco_hb() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	case $before in
	--) mapfile -t COMPREPLY < <(compgen -c -- "$word") ;;
	--state) _disco_words "$_disco_states" ;;
	-s) _disco_services ;;
	-d) _disco_folders ;;
	-P) mapfile -t COMPREPLY < <(compgen -W "$(ps -eo pid=)" -- "$word") ;;
	--cacert | --cert | --key | --token-file) _disco_files ;;
	-[apVmweficu] | --url | --hold | --reason | --exit) ;;
	*)
		case $word in
		-*) _disco_words '-d -u -s -a -p -V -m -w -e -f -i -P -c -h --cacert --cert --key
			--token-file --held --hold --path
			--state --reason --exit --leave --version --' ;;
		*) _disco_processes ;;
		esac
		;;
	esac
}

_disco_master() {
	COMPREPLY=()
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	-d | --dir | --state) _disco_folders ;;
	--owners) _disco_files ;;
	-[weft] | --segment-size | --segments | --log-size | --max-per-user) ;;
	*) _disco_words '-d -w -e -f -t -v -h --dir --state --scan --segment-size --segments
		--log-size --owners --max-per-user --help --version' ;;
	esac
}

_disco_serve() {
	COMPREPLY=()
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	-d | --dir | --web | --procs) _disco_folders ;;
	--tokens | --cert | --key | --client-ca) _disco_files ;;
	--user) _disco_words "$(compgen -u)" ;;
	--listen | --host | --name | --origin | --idle | --request | --max-* | --proc-*) ;;
	*) _disco_words '-d -h --dir --listen --host --name --origin --insecure --user --tokens
		--cert --key --client-ca --web --idle --request --max-connections
		--max-connections-per-address --max-requests --max-header --max-body --max-message
		--max-subscriptions --procs --proc-workers --proc-timeout --proc-memory
		--help --version' ;;
	esac
}

_disco_token() {
	COMPREPLY=()
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	-f | --file) _disco_files ;;
	*)
		case ${COMP_WORDS[COMP_CWORD]} in
		-*) _disco_words '-a -c -f -r -h --add --certificate --file --replace --help --version' ;;
		*) _disco_words 'admin publish: read: call:' ;;
		esac
		;;
	esac
}

_disco_http() {
	COMPREPLY=()
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	--cacert | --cert | --key | --token-file) _disco_files ;;
	-H | --header | --connect-timeout | --idle | --timeout) ;;
	get | post | delete | stream | hold) _disco_words "$DISCO_URL" ;;
	*)
		case ${COMP_WORDS[COMP_CWORD]} in
		-*) _disco_words '-e -i -H -h --explain --include --header --cacert --cert --key --token-file
			--connect-timeout --idle
			--timeout --help --version' ;;
		*) _disco_words 'get post delete stream hold' ;;
		esac
		;;
	esac
}

complete -F _disco_ls disco-ls
complete -F _disco_watch disco-watch
complete -F _disco_hb -o default disco-hb
complete -F _disco_master disco-master
complete -F _disco_serve disco-serve
complete -F _disco_token -o nospace disco-token
complete -F _disco_http disco-http
