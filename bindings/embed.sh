#!/bin/sh
# embed.sh - prints C source that holds the given Lua files as the table hs_lua_modules.
#
# A file's module name is its path below lua/, with dots: lua/httpsrv/init.lua is httpsrv,
# lua/msys/core.lua is msys.core. Sources are text and contain no NUL.
set -eu
export LC_ALL=C

echo '/* lua_modules.c - made from lua/ by bindings/embed.sh. */'
echo '#include "bindings/lua_modules.h"'
n=0
for f; do
	printf 'static const char text_%d[] =\n' "$n"
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/?/\\?/g' -e 's/\r/\\r/g' -e 's/.*/"&\\n"/' "$f"
	echo '"";'
	n=$((n + 1))
done
echo 'const struct hs_lua_module hs_lua_modules[] = {'
n=0
for f; do
	name=$(printf '%s\n' "$f" | sed -e 's,^lua/,,' -e 's,\.lua$,,' -e 's,/init$,,' -e 's,/,.,g')
	printf '{ "%s", "%s", text_%d, sizeof text_%d - 1 },\n' "$name" "$f" "$n" "$n"
	n=$((n + 1))
done
echo '{ 0 } };'
