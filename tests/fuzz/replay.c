/* replay.c - main of a fuzz target without libFuzzer: every file of the folders given, once. */
#include <dirent.h>

#include "common/buf.h"
#include "common/fs.h"
#include "tests/fuzz/fuzz.h"

static int replay_folder(const char *folder)
{
    DIR *d = opendir(folder);
    struct buf path = {0}, text = {0};
    struct err e;
    int n = 0;

    for (struct dirent *it = d ? readdir(d) : NULL; it; it = readdir(d)) {
        if (it->d_name[0] == '.')
            continue;
        buf_reset(&path);
        buf_reset(&text);
        buf_fmt(&path, "%s/%s", folder, it->d_name);
        if (fs_read(path.data, 64 << 20, &text, &e)) {
            fprintf(stderr, "%s\n", e.text);
            exit(1);
        }
        fprintf(stderr, "%s\n", path.data); /* the last one is the guilty one */
        LLVMFuzzerTestOneInput((const uint8_t *)(text.len ? text.data : ""), text.len);
        n++;
    }
    if (d)
        closedir(d);
    buf_free(&path);
    buf_free(&text);
    return n;
}

int main(int argc, char **argv)
{
    int n = 0;

    for (int i = 1; i < argc; i++)
        n += replay_folder(argv[i]);
    printf("%d inputs\n", n);
    return n > 0 ? 0 : 1;
}
