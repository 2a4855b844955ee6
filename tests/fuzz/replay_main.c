/* replay_main.c - runs a fuzz target over stored inputs, without a fuzzing engine.
 *
 * usage: TARGET CORPUS_DIR CRASHES_DIR. Each regular file of the two folders is given to the target
 * once, in memory of exactly its size, so that a read past its end is seen by the address
 * sanitizer. Prints TAP with one test a folder; the first folder must hold an input, the second
 * need not exist. An input that breaks the target ends the process; its name is on stderr. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static bool
replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    uint8_t *data = NULL;
    bool ok = false;

    if (f == NULL || fstat(fileno(f), &st) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        ok = true;
        goto out;
    }
    size_t size = (size_t)st.st_size;
    data = malloc(size);
    if ((data == NULL && size != 0) || fread(data, 1, size, f) != size) {
        fprintf(stderr, "%s: cannot read it\n", path);
        goto out;
    }
    fprintf(stderr, "input: %s\n", path);
    (void)LLVMFuzzerTestOneInput(data, size);
    ok = true;
out:
    free(data);
    if (f != NULL)
        fclose(f);
    return ok;
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int
visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Returns how many files were replayed, -1 when the folder or one of them cannot be read. */
static int
replay_dir(const char *dir, bool may_be_missing)
{
    char path[4096];
    struct dirent **names = NULL;
    int count = scandir(dir, &names, visible, by_name);
    int result = count;

    if (count < 0) {
        if (may_be_missing && errno == ENOENT)
            return 0;
        fprintf(stderr, "%s: %s\n", dir, strerror(errno));
        return -1;
    }
    for (int i = 0; i < count; i++) {
        int len = snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
        if (len < 0 || (size_t)len >= sizeof path || !replay_file(path))
            result = -1;
        free(names[i]);
    }
    free(names);
    return result;
}

int
main(int argc, char **argv)
{
    if (LLVMFuzzerInitialize != NULL && LLVMFuzzerInitialize(&argc, &argv) != 0)
        return 1;
    if (argc != 3) {
        fprintf(stderr, "usage: %s CORPUS_DIR CRASHES_DIR\n", argv[0]);
        return 2;
    }
    printf("1..2\n");
    fflush(stdout);
    int corpus = replay_dir(argv[1], false);
    printf("%s 1 - corpus, %d inputs\n", corpus > 0 ? "ok" : "not ok", corpus);
    fflush(stdout);
    int crashes = replay_dir(argv[2], true);
    printf("%s 2 - past crashes, %d inputs\n", crashes >= 0 ? "ok" : "not ok", crashes);
    return corpus > 0 && crashes >= 0 ? 0 : 1;
}
