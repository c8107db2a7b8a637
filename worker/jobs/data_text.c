/* data_text.c - see data_text.h.
 *
 * A unit is what goes to a split as a whole: a file, a block of paragraphs, a line.  Where the split
 * is not given, SHA-256 of (seed, content) decides, read as a number in [0, 1): below valid_fraction
 * to valid, below valid_fraction + test_fraction to test, else train.  Equal units go together, so
 * no text that is trained on is measured on, even if a corpus repeats itself.  data_fraction keeps
 * training blocks (packed) or lines whose second digest is below it: a smaller share is a subset.
 */
#include "worker/jobs/data_text.h"

#include <stdio.h>
#include <string.h>

#include "common/fs.h"
#include "common/kinds/data_make.h"
#include "common/pathid.h"
#include "common/sha256.h"
#include "worker/data/text.h"
#include "worker/data/tokens.h"

enum { N_SPLITS = 3, NONE = -1 };
static const char *const split_name[N_SPLITS] = {"train", "valid", "test"};

struct maker {
    struct job *j;
    const struct data_make_cfg *c;
    const char *root;         /* of the texts */
    struct tokenizer tok;
    struct tok_encode enc;
    struct tokens_writer out[N_SPLITS];
    struct ids ids;
    struct buf line;          /* a line that is not over yet */
    struct word_count words;  /* of the document at hand */
    uint64_t n_bytes;
    bool is_line, has_text;   /* layout; a document is begun */
    uint64_t n_left_out, n_units;
    struct err *e;
};

/* --- who goes where ------------------------------------------------------------------------ */
static double share_of(const uint8_t digest[32])
{
    uint64_t v = 0;

    for (int i = 0; i < 8; i++)
        v = v << 8 | digest[i];
    return (double)(v >> 11) * 0x1p-53;
}

static double share(const struct maker *m, const char *what, const void *text, size_t n)
{
    struct sha256 s;
    uint8_t digest[32];
    char head[64];

    sha256_init(&s);
    sha256_add(&s, head, (size_t)snprintf(head, sizeof head, "%s %lld\n", what, (long long)m->c->seed));
    sha256_add(&s, text, n);
    sha256_end(&s, digest);
    return share_of(digest);
}

static int split_by(const struct maker *m, double u)
{
    return u < m->c->valid_fraction ? 1 : u < m->c->valid_fraction + m->c->test_fraction ? 2 : 0;
}

static bool is_kept(const struct maker *m, int split, const char *text, size_t n)
{
    return split != 0 || m->c->data_fraction >= 1 ||
           share(m, "fraction", text, n) < m->c->data_fraction;
}

/* Split of a file where its folder says it; "validation" is "valid". */
static enum err_code split_given(const struct maker *m, const char *path, int *split)
{
    const char *below = path + strlen(m->root);

    below += strspn(below, "/");
    for (int i = 0; i < N_SPLITS; i++) {
        size_t n = strlen(split_name[i]);

        if (!strncmp(below, split_name[i], n) && below[n] == '/') {
            *split = i;
            return ERR_OK;
        }
    }
    *split = NONE; /* beside the three folders: not part of the corpus */
    return ERR_OK;
}

static enum err_code split_by_content(const struct maker *m, const char *path, int *split)
{
    struct text_reader r;
    struct text_piece p;
    struct sha256 s;
    uint8_t digest[32];
    enum err_code rc = text_open(&r, path, TEXT_DOCUMENT, 0, m->e);

    sha256_init(&s);
    while (!rc && text_next(&r, &p, &rc, m->e))
        sha256_add(&s, p.text, p.n);
    sha256_end(&s, digest);
    text_close(&r);
    *split = split_by(m, share(m, "split", digest, sizeof digest));
    return rc;
}

static enum err_code split_of_file(const struct maker *m, const char *path, int *split)
{
    for (int i = 0; i < N_SPLITS; i++)
        if (!strcmp(m->c->split, split_name[i])) {
            *split = i;
            return ERR_OK;
        }
    *split = NONE;
    if (!strcmp(m->c->split, "given"))
        return split_given(m, path, split);
    return strcmp(m->c->split, "document") ? ERR_OK : split_by_content(m, path, split);
}

/* --- one document, packed or by lines ------------------------------------------------------- */
static enum err_code flush_ids(struct maker *m, int split)
{
    enum err_code rc = tokens_add(&m->out[split], m->ids.id, m->ids.n, m->e);

    m->ids.n = 0;
    return rc;
}

static void end_doc(struct maker *m, int split)
{
    tokens_end_doc(&m->out[split], m->n_bytes, m->words.n);
    m->n_bytes = 0;
    m->words = (struct word_count){0};
    m->n_units++;
}

static enum err_code packed(struct maker *m, int split, const struct text_piece *p)
{
    const uint32_t end = TOKEN_END;

    /* The separator belongs to the document before it. */
    if (!m->has_text && p->n && m->out[split].n_docs) {
        if (tokens_add(&m->out[split], &end, 1, m->e))
            return m->e->code;
        m->out[split].at[3 * (m->out[split].n_docs - 1)]++;
    }
    m->has_text = m->has_text || p->n;
    m->n_bytes += p->n;
    word_count_add(&m->words, p->text, p->n);
    tok_encode_add(&m->enc, p->text, p->n, p->is_end, &m->ids);
    if (flush_ids(m, split))
        return m->e->code;
    if (p->is_end && m->has_text) {
        end_doc(m, split);
        m->has_text = false;
    }
    return ERR_OK;
}

/* Bytes and words of a line that was cut are those of the ids that are left. */
static void cut_line(struct maker *m, size_t n_ids)
{
    struct tok_decode d;
    struct buf text = {0};
    struct err e;

    m->ids.n = n_ids;
    tok_decode_init(&d, &m->tok);
    for (size_t i = 0; i < n_ids; i++)
        if (tok_decode_add(&d, m->ids.id[i], &text, &e))
            break; /* an id of our own making is in the vocabulary */
    m->n_bytes = text.len;
    m->words = (struct word_count){0};
    word_count_add(&m->words, text.data ? text.data : "", text.len);
    buf_free(&text);
}

static enum err_code one_line(struct maker *m, int split, const char *text, size_t n)
{
    m->words = (struct word_count){0};
    word_count_add(&m->words, text, n);
    if (m->words.n == 0)
        return ERR_OK;
    if (!is_kept(m, split, text, n)) {
        m->n_left_out++;
        m->words = (struct word_count){0};
        return ERR_OK;
    }
    m->n_bytes = n;
    tok_encode_add(&m->enc, text, n, true, &m->ids);
    if (m->ids.n > (size_t)m->c->max_length)
        cut_line(m, (size_t)m->c->max_length);
    enum err_code rc = flush_ids(m, split);
    end_doc(m, split);
    return rc;
}

static enum err_code lines(struct maker *m, int split, const struct text_piece *p)
{
    size_t from = 0;
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < p->n && !rc; i++)
        if (p->text[i] == '\n') {
            buf_add(&m->line, p->text + from, i - from);
            rc = one_line(m, split, m->line.data, m->line.len);
            buf_reset(&m->line);
            from = i + 1;
        }
    buf_add(&m->line, p->text + from, p->n - from);
    if (p->is_end && !rc) {
        rc = one_line(m, split, m->line.data, m->line.len);
        buf_reset(&m->line);
    }
    return rc;
}

/* --- files --------------------------------------------------------------------------------- */
static enum text_unit unit_of(const struct maker *m)
{
    if (!strcmp(m->c->split, "line"))
        return TEXT_LINE;
    return !strcmp(m->c->split, "block") || (!m->is_line && m->c->data_fraction < 1) ? TEXT_BLOCK
                                                                                    : TEXT_DOCUMENT;
}

static enum err_code one_piece(struct maker *m, int split, const struct text_piece *p)
{
    if (split == NONE) /* by block or line */
        split = split_by(m, share(m, "split", p->text, p->n));
    if (m->is_line)
        return lines(m, split, p);
    if (unit_of(m) != TEXT_DOCUMENT && !is_kept(m, split, p->text, p->n)) {
        m->n_left_out++;
        return ERR_OK;
    }
    return packed(m, split, p);
}

static enum err_code one_file(struct maker *m, const char *path)
{
    struct text_reader r;
    struct text_piece p;
    enum err_code rc, end;
    int split;

    if (split_of_file(m, path, &split))
        return m->e->code;
    if (split == NONE && !strcmp(m->c->split, "given"))
        return ERR_OK;
    rc = text_open(&r, path, unit_of(m), (size_t)m->c->block_bytes, m->e);
    while (!rc && text_next(&r, &p, &end, m->e))
        rc = one_piece(m, split, &p);
    if (!rc)
        rc = end;
    text_close(&r);
    return rc;
}

static enum err_code all_files(struct maker *m)
{
    struct text_files f;
    enum err_code rc = text_list(&f, m->root, m->e);

    for (size_t i = 0; i < f.n && !rc; i++) {
        if (job_stop_wanted(m->j))
            rc = err_set(m->e, ERR_STOPPED, "stopped before file %zu of %zu", i + 1, f.n);
        job_progress(m->j, (int64_t)i, (int64_t)f.n, "%s", strrchr(f.path[i], '/'));
        if (!rc)
            rc = one_file(m, f.path[i]);
    }
    text_files_free(&f);
    return rc;
}

/* --- the job ------------------------------------------------------------------------------- */
static enum err_code report(struct maker *m)
{
    static const char *const metric[N_SPLITS] = {"tokens_train", "tokens_valid", "tokens_test"};
    uint64_t n_tokens = 0, n_bytes = 0;

    for (int i = 0; i < N_SPLITS; i++) {
        const struct tokens_writer *w = &m->out[i];

        n_tokens += w->n;
        n_bytes += w->n_bytes;
        job_metric(m->j, metric[i], (double)w->n);
        job_summary(m->j, "%s: %zu ids of %zu %s, %llu bytes, %llu words.", split_name[i], w->n,
                    w->n_docs, m->is_line ? "lines" : "documents", (unsigned long long)w->n_bytes,
                    (unsigned long long)w->n_words);
    }
    if (n_tokens == 0)
        return err_set(m->e, ERR_INVALID, "text: %s: no text in any split%s", m->root,
                       strcmp(m->c->split, "given") ? "" : " (split: given wants folders train, valid, test)");
    job_metric(m->j, "vocab_size", (double)m->tok.n_vocab);
    job_metric(m->j, "bytes_per_token", (double)n_bytes / (double)n_tokens);
    if (m->n_left_out)
        job_summary(m->j, "data_fraction %g: %llu of %llu training %s left out.", m->c->data_fraction,
                    (unsigned long long)m->n_left_out,
                    (unsigned long long)(m->n_left_out + m->n_units), m->is_line ? "lines" : "blocks");
    return ERR_OK;
}

static enum err_code make(struct maker *m)
{
    const char *dir = m->j->dir;
    enum err_code rc = tokens_keep_tokenizer(dir, pathid_path(m->c->tokenizer), m->e);

    tok_encode_init(&m->enc, &m->tok, !strcmp(m->c->specials, "text"));
    for (int i = 0; i < N_SPLITS && !rc; i++)
        rc = tokens_create(&m->out[i], dir, split_name[i], m->tok.n_vocab, m->is_line, m->e);
    if (!rc)
        rc = all_files(m);
    if (!rc)
        rc = report(m);
    for (int i = 0; i < N_SPLITS; i++) {
        if (!rc)
            rc = tokens_finish(&m->out[i], m->e);
        tokens_abandon(&m->out[i]);
    }
    tok_encode_free(&m->enc);
    ids_free(&m->ids);
    buf_free(&m->line);
    return rc;
}

enum err_code data_text_plan(struct job *j, struct job_plan *p, struct err *e)
{
    const struct data_make_cfg *c = j->cfg;
    struct tokenizer t;

    (void)p; /* memory: one stretch of text and the tables of documents */
    if (!*c->text)
        return err_set(e, ERR_INVALID, "text: missing; task text needs a file or folder");
    if (pathid_verify(c->text, e))
        return err_wrap(e, "text");
    if (*c->tokenizer && pathid_verify(c->tokenizer, e))
        return err_wrap(e, "tokenizer");
    if (tokenizer_open(&t, pathid_path(c->tokenizer), (size_t)c->n_vocab, e))
        return e->code;
    tokenizer_close(&t);
    return ERR_OK;
}

enum err_code data_text_run(struct job *j, struct err *e)
{
    const struct data_make_cfg *c = j->cfg;
    struct maker m = {.j = j, .c = c, .root = pathid_path(c->text), .e = e,
                      .is_line = !strcmp(c->layout, "line")};

    if (tokenizer_open(&m.tok, pathid_path(c->tokenizer), (size_t)c->n_vocab, e))
        return err_wrap(e, "data_make");
    enum err_code rc = make(&m);
    tokenizer_close(&m.tok);
    return rc ? err_wrap(e, "data_make") : ERR_OK;
}
