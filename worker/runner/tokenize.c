/* tokenize.c - `saegrid-runner tokenize`: a filter from text to token ids, and back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "worker/data/tokenizer.h"
#include "worker/runner/convert.h"

static const char help[] =
    "usage: saegrid-runner tokenize --tokenizer FILE [--vocab N] [--plain] <TEXT >IDS\n"
    "       saegrid-runner tokenize --tokenizer FILE [--vocab N] --decode  <IDS >TEXT\n"
    "\n"
    "Writes the token ids of its input, one a line; with --decode the text of ids.  Works on streams\n"
    "of any length.\n"
    "\n"
    "--tokenizer FILE  a Hugging Face tokenizer.json with a byte-level BPE (GPT-NeoX-20B, Pythia), or\n"
    "                  that file gzip'd, as in sweeps/data/tokenizer/; or the word `bytes`: id 1 + b\n"
    "                  for byte b, id 0 for the end of a text\n"
    "--vocab N         keep the first merges that leave N ids; 0, the default, keeps all\n"
    "--plain           text such as <|endoftext|> is text, not the token\n"
    "--decode          from ids to text; bytes that are not UTF-8 become U+FFFD\n"
    "\n"
    "Exit codes: 0; 64 usage, 65 bad tokenizer file or ids, 74 cannot read or write.\n";

enum { CHUNK = 1 << 18 };

struct opts {
    const char *tokenizer;
    size_t n_vocab;
    bool is_decode, is_plain;
};

/* One chunk of standard input, 0 at the end, or -1. */
static ssize_t take(void *chunk, size_t n)
{
    ssize_t got;

    do {
        got = read(STDIN_FILENO, chunk, n);
    } while (got < 0 && errno == EINTR);
    return got;
}

static enum err_code give(struct buf *out, struct err *e)
{
    if (out->len && fwrite(out->data, 1, out->len, stdout) != out->len)
        return err_errno(e, errno, "standard output");
    buf_reset(out);
    return ERR_OK;
}

static void print_ids(struct ids *ids, struct buf *out)
{
    for (size_t i = 0; i < ids->n; i++) {
        char text[12], *at = text + sizeof text;
        uint32_t v = ids->id[i];

        *--at = '\n';
        do {
            *--at = (char)('0' + v % 10);
            v /= 10;
        } while (v);
        buf_add(out, at, (size_t)(text + sizeof text - at));
    }
    ids->n = 0;
}

static enum err_code encode(struct tokenizer *t, const struct opts *o, char *chunk, struct err *e)
{
    struct tok_encode s;
    struct ids ids = {0};
    struct buf out = {0};
    enum err_code rc = ERR_OK;
    ssize_t got;

    tok_encode_init(&s, t, o->is_plain);
    do {
        got = take(chunk, CHUNK);
        if (got < 0)
            rc = err_errno(e, errno, "standard input");
        else
            tok_encode_add(&s, chunk, (size_t)got, got == 0, &ids);
        print_ids(&ids, &out);
        if (!rc)
            rc = give(&out, e);
    } while (got > 0 && !rc);
    tok_encode_free(&s);
    ids_free(&ids);
    buf_free(&out);
    return rc;
}

/* Numbers between white space, across chunks. */
struct number {
    uint64_t value;
    size_t line;
    bool has_digits;
};

static enum err_code end_number(struct number *n, struct tok_decode *s, struct buf *out, struct err *e)
{
    uint32_t id = n->value > UINT32_MAX ? UINT32_MAX : (uint32_t)n->value;

    if (!n->has_digits)
        return ERR_OK;
    n->has_digits = false;
    n->value = 0;
    if (tok_decode_add(s, id, out, e))
        return err_wrap(e, "line %zu", n->line);
    return ERR_OK;
}

static enum err_code decode_chunk(struct number *n, struct tok_decode *s, const char *p, size_t len,
                                  struct buf *out, struct err *e)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] >= '0' && p[i] <= '9') {
            n->has_digits = true;
            if (n->value <= UINT32_MAX)
                n->value = 10 * n->value + (uint64_t)(p[i] - '0');
        } else if (p[i] && strchr(" \t\r\n", p[i])) {
            if (end_number(n, s, out, e))
                return e->code;
            n->line += p[i] == '\n';
        } else {
            return err_set(e, ERR_INVALID, "line %zu: byte 0x%02X: token ids are decimal numbers",
                           n->line, (unsigned char)p[i]);
        }
    }
    return ERR_OK;
}

static enum err_code decode(struct tokenizer *t, char *chunk, struct err *e)
{
    struct number n = {.line = 1};
    struct tok_decode s;
    struct buf out = {0};
    enum err_code rc = ERR_OK;
    ssize_t got;

    tok_decode_init(&s, t);
    while (!rc && (got = take(chunk, CHUNK)) != 0) {
        if (got < 0)
            rc = err_errno(e, errno, "standard input");
        else
            rc = decode_chunk(&n, &s, chunk, (size_t)got, &out, e);
        if (!rc)
            rc = give(&out, e);
    }
    if (!rc)
        rc = end_number(&n, &s, &out, e);
    if (!rc) {
        tok_decode_end(&s, &out);
        rc = give(&out, e);
    }
    buf_free(&out);
    return rc;
}

static bool parse(struct opts *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *end;

        if (!strcmp(argv[i], "--decode")) {
            o->is_decode = true;
        } else if (!strcmp(argv[i], "--plain")) {
            o->is_plain = true;
        } else if (!strcmp(argv[i], "--tokenizer") && i + 1 < argc) {
            o->tokenizer = argv[++i];
        } else if (!strcmp(argv[i], "--vocab") && i + 1 < argc) {
            o->n_vocab = strtoul(argv[++i], &end, 10);
            if (*end || end == argv[i] || *argv[i] == '-')
                return false;
        } else {
            fprintf(stderr, "saegrid-runner tokenize: %s: not an option, or its value is missing\n",
                    argv[i]);
            return false;
        }
    }
    return o->tokenizer != NULL;
}

static enum err_code filter(const struct opts *o, struct err *e)
{
    static char chunk[CHUNK];
    struct tokenizer t;
    enum err_code rc = tokenizer_open(&t, o->tokenizer, o->n_vocab, e);

    if (rc)
        return rc;
    rc = o->is_decode ? decode(&t, chunk, e) : encode(&t, o, chunk, e);
    tokenizer_close(&t);
    if (!rc && fflush(stdout) != 0)
        rc = err_errno(e, errno, "standard output");
    return rc;
}

int tokenize_main(int argc, char **argv)
{
    struct opts o = {0};
    struct err e = {0};

    if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        fputs(help, stdout);
        return 0;
    }
    if (!parse(&o, argc, argv)) {
        fputs(help, stderr);
        return err_exit_code(ERR_USAGE);
    }
    if (filter(&o, &e)) {
        fprintf(stderr, "saegrid-runner tokenize: %s\n", e.text);
        return err_exit_code(e.code);
    }
    return 0;
}
