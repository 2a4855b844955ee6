/* nearest.c - the word that was probably meant. */
#include "server/nearest.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static bool
same_letter(char a, char b)
{
    return (a == '_' ? '-' : a) == (b == '_' ? '-' : b);
}

/* How many letters must be added, taken away or changed to make one word of the other (Levenshtein); words of up to 63 letters. */
static size_t
distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    size_t row[MAX];
    size_t n = strlen(b);

    if (n >= MAX || strlen(a) >= MAX) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t change = corner + !same_letter(a[i], b[j]);
            size_t other = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            corner = row[j + 1];
            row[j + 1] = change < other ? change : other;
        }
    }
    return row[n];
}

const char *
hs_nearest(const char *word, const char *const *words, size_t n)
{
    const char *best = NULL;
    size_t least = strlen(word) / 3 + 2; /* further away than this is another word */

    for (size_t i = 0; i < n; i++) {
        size_t d = words[i] != NULL ? distance(word, words[i]) : SIZE_MAX;
        if (d < least) {
            least = d;
            best = words[i];
        }
    }
    return best;
}
