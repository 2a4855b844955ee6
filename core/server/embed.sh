#!/bin/sh
# embed.sh FILE - prints C source that holds a text file as hs_admin_page (admin_page.h).
set -eu
export LC_ALL=C

echo "/* admin_page.c - made from $1 by core/server/embed.sh. */"
echo '#include "server/admin_page.h"'
echo 'const char hs_admin_page[] ='
sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/?/\\?/g' -e 's/\r/\\r/g' -e 's/.*/"&\\n"/' "$1"
echo ';'
echo 'const size_t hs_admin_page_len = sizeof hs_admin_page - 1;'
