#!/bin/sh
# man.sh - the manual pages have every command and every setting, and are well formed.
set -u
cd "$(dirname "$0")/../.." || exit 1

BUILD=${BUILD:-build}
MAKE=${MAKE:-make}
HTTPSRV=${HTTPSRV:-$BUILD/release/httpsrv}
PAGES=$BUILD/release/man
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

count=0
bad=0
# check NAME COMMAND... - a test that passes when the command does; its output is shown when not.
check() {
	name=$1
	shift
	count=$((count + 1))
	if "$@" >"$tmp/log" 2>&1; then
		echo "ok $count - $name"
	else
		bad=$((bad + 1))
		echo "not ok $count - $name"
		tail -n 60 "$tmp/log" | sed 's/^/# /'
	fi
}

# A page with its items as they are typed, one a line.
items_of() {
	sed 's/\\-/-/g; s/\\&//g; s/^\.It Fl -/--/; s/^\.It Va //; s/^\.Cm //' "$1"
}

# Whether each word of stdin, of which there are at least so many, is an item: all_in PAGE COUNT
all_in() {
	status=0
	words=0
	for word in $(cat); do
		words=$((words + 1))
		items_of "$1" | grep -qE "^$word( |\$)" || {
			echo "$1 has no $word"
			status=1
		}
	done
	[ $words -ge "$2" ] && [ $status = 0 ]
}

commands() {
	"$HTTPSRV" help | sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p' | all_in "$PAGES/httpsrv.1" 6
}

options() {
	"$HTTPSRV" help serve | sed -n 's/^  \(--[a-z-]*\) .*/\1/p' | all_in "$PAGES/httpsrv.1" 29
}

settings() {
	"$HTTPSRV" help serve | sed -n 's/^  --\([a-z-]*\) .*/\1/p' | grep -vx -e config -e help | tr - _ |
		all_in "$PAGES/httpsrv.conf.5" 27
}

# What a page says of a setting is what help says of it.
texts() {
	page=$(MANWIDTH=2000 man -l "$1" 2>&1 | tr '\n' ' ' | sed 's/‐/-/g; s/’/'"'"'/g; s/  */ /g')
	"$HTTPSRV" help serve | grep -v '^  --help ' | sed -n 's/^  --[a-z-]*\( [A-Z]*\| [a-z-]*|[a-z-]*\)*  *\(.*[^)]\)\( ([^()]*)\)*$/\2/p' | sed 's/^.//; s/ ([^()]*)$//' >"$tmp/texts"
	[ -s "$tmp/texts" ] || return 1
	while IFS= read -r line; do
		case $page in
		*"$line"*) ;;
		*) echo "not said: $line" ;;
		esac
	done <"$tmp/texts" >"$tmp/unsaid"
	cat "$tmp/unsaid"
	[ ! -s "$tmp/unsaid" ]
}

lint() {
	mandoc -Tlint -W warning "$1" && man -l --warnings=w "$1" 2>&1 >"$tmp/page" | grep . && return 1
	[ -s "$tmp/page" ]
}

check "make man" "$MAKE" --no-print-directory BUILD="$BUILD" man
check "httpsrv(1) has every command" commands
check "httpsrv(1) has every option" options
check "httpsrv.conf(5) has every setting" settings
check "httpsrv(1) says what help says" texts "$PAGES/httpsrv.1"
check "httpsrv(1) is well formed" lint "$PAGES/httpsrv.1"
check "httpsrv.conf(5) is well formed" lint "$PAGES/httpsrv.conf.5"

echo "1..$count"
[ $bad = 0 ]
