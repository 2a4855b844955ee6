#!/bin/sh
# deploy.sh - examples/deploy: systemd takes the units and finds them well confined, and the image has the libraries that the command needs.
# timeout: 120
set -u
cd "$(dirname "$0")/../.." || exit 1
httpsrv=${HTTPSRV:-$PWD/build/release/httpsrv}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
count=0
bad=0

# result STATUS NAME - what went wrong is in $work/out.
result() {
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count - $2"
	else
		bad=1
		echo "not ok $count - $2"
		sed 's/^/# /' "$work/out"
	fi
}

# The units, with the command where it is here.
for unit in httpsrv.service httpsrv.socket; do
	sed "s|/usr/local/bin/httpsrv|$httpsrv|" examples/deploy/$unit >"$work/$unit"
done
systemd-analyze verify --man=no "$work/httpsrv.service" "$work/httpsrv.socket" >"$work/out" 2>&1 && [ ! -s "$work/out" ]
result $? "systemd-analyze verify has nothing to say of the units"

systemd-analyze security --offline=yes --threshold=15 "$work/httpsrv.service" >"$work/out" 2>&1
result $? "systemd-analyze security: exposure at most 1.5"

grep -q '^MemoryDenyWriteExecute' examples/deploy/httpsrv.service && echo 'LuaJIT could not run' >"$work/out"
[ "$(grep -c '^MemoryDenyWriteExecute' examples/deploy/httpsrv.service)" = 0 ]
result $? "memory may be written and executed: LuaJIT needs it"

# Each command line of the units and of the image is one that httpsrv takes: up to the scripts, which are not there.
lines=0
wrong=
for line in "$(sed -n 's|^ExecStart=/usr/local/bin/httpsrv ||p' examples/deploy/httpsrv.service)" \
	"$(sed -n 's/^CMD \[\(.*\)\]$/\1/p' examples/deploy/Dockerfile | tr -d '",')"; do
	lines=$((lines + 1))
	# shellcheck disable=SC2086
	"$httpsrv" $line >"$work/out" 2>&1 </dev/null
	[ $? = 1 ] && grep -q 'cannot serve /srv/httpsrv' "$work/out" || wrong="$wrong $line"
done
[ -z "$wrong" ] && [ $lines = 2 ]
result $? "the commands of unit and image are taken"

# What the command is linked with comes from the packages that the image installs, and from what these depend on.
named=$(sed -n '/no-install-recommends/,/rm -rf/p' examples/deploy/Dockerfile | tr ' \\' '\n\n' | grep -E '^(lib|zlib|lua)')
all=$named
for _ in 1 2 3 4 5 6; do
	# shellcheck disable=SC2086
	all=$({
		printf '%s\n' $all
		dpkg-query -W -f '${Depends}, ${Pre-Depends}\n' $all 2>/dev/null | tr ',|' '\n\n' | sed 's/^ *//; s/[ :].*//'
	} | sort -u | grep .)
done
ldd "$httpsrv" | sed -n 's/.*=> \([^ ]*\) .*/\1/p' | while read -r library; do
	packages=$(dpkg-query -S "*/$(basename "$(readlink -f "$library")")" 2>/dev/null | cut -d: -f1)
	printf '%s\n' "$packages" | grep -qxF "$all" || echo "$library is of" $packages
done >"$work/out"
[ ! -s "$work/out" ] && [ -n "$named" ]
result $? "the image has every library that the command needs"

echo "1..$count"
exit $bad
