#include "attest/tee/tsm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/text.h"

#define TRIES 10
#define PAUSE_FIRST 4 /* ms, twice as long each time */
#define PAUSE_MAX 100 /* ms */
#define TEXT_MAX 64   /* bytes of an attribute that is text */
#define CHUNK 4096
#define REMOVE_TRIES 3

struct tsm {
	char *root;
	int dir;	    /* root, opened */
	bool has_levels;    /* its entries have a privlevel */
	unsigned int floor; /* the lowest that it takes */
};

/* ---- Trying again ---- */

bool tsm_is_busy(int error)
{
	return error == EBUSY || error == EAGAIN || error == EINTR;
}

bool tsm_again(unsigned int *n)
{
	long ms = PAUSE_FIRST;

	if (*n + 1 >= TRIES)
		return false;
	for (unsigned int i = 0; i < *n && ms < PAUSE_MAX; i++)
		ms *= 2;
	if (ms > PAUSE_MAX)
		ms = PAUSE_MAX;
	const struct timespec t = { .tv_nsec = ms * 1000000 };
	(void)nanosleep(&t, NULL); /* shorter when a signal comes: no harm */
	++*n;
	return true;
}

/* A failed call on an attribute or entry: E_AGAIN where it may go better. */
static enum status failed(struct err *err, const char *what)
{
	if (tsm_is_busy(errno))
		return err_set(err, E_AGAIN, "tsm %s: %s", what,
			       strerror(errno));
	return err_errno(err, "tsm %s", what);
}

/* ---- Entries ---- */

struct entry {
	int root; /* borrowed */
	int fd;
	char name[24];
};

/* Gone in every case: one that stays takes memory of the kernel's. */
static void entry_done(struct entry *e)
{
	if (e->fd < 0)
		return;
	(void)close(e->fd);
	for (int i = 0; i < REMOVE_TRIES; i++)
		if (unlinkat(e->root, e->name, AT_REMOVEDIR) == 0 ||
		    !tsm_is_busy(errno))
			break;
}
#define auto_entry __attribute__((cleanup(entry_done)))

static enum status entry_make(int root, struct entry *e, struct err *err)
{
	uint8_t id[8];

	crypto_random(id, sizeof(id));
	memcpy(e->name, "confd-", sizeof("confd-"));
	text_hex_into(e->name + 6, sizeof(e->name) - 6, slice_of(id));
	if (mkdirat(root, e->name, 0700) < 0)
		return failed(err, "entry");
	e->root = root;
	e->fd = openat(root, e->name,
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (e->fd >= 0)
		return OK;
	enum status status = failed(err, "entry");
	(void)unlinkat(root, e->name, AT_REMOVEDIR);
	return status;
}

/* ---- Attributes ---- */

/* All of one, up to out's cap. */
static enum status read_all(const struct entry *e, const char *name,
			    struct buf *out, struct err *err)
{
	uint8_t chunk[CHUNK];
	ssize_t n;

	auto_fd int fd = openat(e->fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return failed(err, name);
	buf_clear(out);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		buf_put(out, slice_make(chunk, (size_t)n));
		if (out->bad || out->len > TSM_BLOB_MAX)
			return err_set(err, E_LIMIT,
				       "tsm %s: expected at most %zu bytes, "
				       "found more",
				       name,
				       out->max < TSM_BLOB_MAX ? out->max
							       : TSM_BLOB_MAX);
	}
	if (n < 0)
		return failed(err, name);
	return OK;
}

static enum status read_text(const struct entry *e, const char *name,
			     struct buf *text, struct slice *line,
			     struct err *err)
{
	TRY(read_all(e, name, text, err));
	struct slice all = buf_slice(text);
	*line = slice_sub(all, 0, slice_find(all, '\n'));
	return OK;
}

static enum status read_number(const struct entry *e, const char *name,
			       uint64_t *out, struct err *err)
{
	auto_buf struct buf text = buf_make(TEXT_MAX);
	struct slice line;

	TRY(read_text(e, name, &text, &line, err));
	if (!slice_u64(line, out))
		return err_set(err, E_PARSE,
			       "tsm %s: expected a number, found \"%.*s\"",
			       name, SLICE_FMT(line));
	return OK;
}

/* In one call, then closed: what is binary is taken at the close. */
static enum status write_all(const struct entry *e, const char *name,
			     struct slice data, struct err *err)
{
	auto_fd int fd = openat(e->fd, name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return failed(err, name);
	ssize_t n = write(fd, data.p, data.len);
	if (n < 0)
		return failed(err, name);
	if ((size_t)n != data.len)
		return err_set(err, E_IO,
			       "tsm %s: expected %zu bytes to be taken, "
			       "found %zd",
			       name, data.len, n);
	if (close(take_fd(&fd)) < 0)
		return failed(err, name);
	return OK;
}

/* ---- Opening ---- */

static enum status check_provider(const struct entry *e, const char *root,
				  const char *provider, struct err *err)
{
	auto_buf struct buf text = buf_make(TEXT_MAX);
	struct slice found;

	TRY(read_text(e, "provider", &text, &found, err));
	if (!slice_eq_str(found, provider))
		return err_set(err, E_NOTFOUND,
			       "%s: expected provider %s, found \"%.*s\"", root,
			       provider, SLICE_FMT(found));
	return OK;
}

static enum status read_floor(const struct entry *e, struct tsm *t,
			      struct err *err)
{
	uint64_t floor = 0;
	struct err why;

	if (read_number(e, "privlevel_floor", &floor, &why) != OK) {
		if (why.code == E_NOTFOUND)
			return OK; /* a provider without levels */
		*err = why;
		return why.code;
	}
	if (floor > TSM_LEVEL_MAX)
		return err_set(err, E_PARSE,
			       "tsm privlevel_floor: expected 0 to %d, found "
			       "%llu",
			       TSM_LEVEL_MAX, (unsigned long long)floor);
	t->has_levels = true;
	t->floor = (unsigned int)floor;
	return OK;
}

static enum status look(struct tsm *t, const char *provider, struct err *err)
{
	auto_entry struct entry e = { .fd = -1 };

	TRY(entry_make(t->dir, &e, err));
	TRY(check_provider(&e, t->root, provider, err));
	return read_floor(&e, t, err);
}

/* What E_AGAIN becomes when there is no other try. */
static enum status settle(enum status status, struct err *err)
{
	if (status != E_AGAIN)
		return status;
	err->code = E_UNAVAIL;
	return err_wrap(err, "the TEE is busy, %d times in turn", TRIES);
}

enum status tsm_open(const char *root, const char *provider, struct tsm **out,
		     struct err *err)
{
	auto_tsm struct tsm *t = mem_must(sizeof(*t));
	struct slice name = slice_str(root != NULL ? root : TSM_ROOT);
	enum status status;
	unsigned int n = 0;

	t->root = mem_must(name.len + 1);
	memcpy(t->root, name.p, name.len);
	t->dir = open(t->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->dir < 0)
		return err_errno(err, "%s", t->root);
	do
		status = look(t, provider, err);
	while (status == E_AGAIN && tsm_again(&n));
	TRY(settle(status, err));
	*out = take(t);
	return OK;
}

void tsm_close(struct tsm *t)
{
	if (t == NULL)
		return;
	if (t->dir >= 0)
		(void)close(t->dir);
	mem_free(t->root);
	mem_free(t);
}

const char *tsm_root(const struct tsm *t)
{
	return t->root;
}

unsigned int tsm_floor(const struct tsm *t)
{
	return t->floor;
}

/* ---- Reports ---- */

/* Whoever may make entries may also write into ours. */
static enum status check_generation(const struct entry *e, uint64_t expected,
				    struct err *err)
{
	uint64_t found;

	TRY(read_number(e, "generation", &found, err));
	if (found != expected)
		return err_set(err, E_CONFLICT,
			       "tsm generation: expected %llu, found %llu: "
			       "somebody else uses the entry, or a write was "
			       "lost",
			       (unsigned long long)expected,
			       (unsigned long long)found);
	return OK;
}

static enum status write_request(const struct tsm *t, const struct entry *e,
				 const uint8_t *data, uint64_t *writes,
				 struct err *err)
{
	const char level = (char)('0' + t->floor);

	if (t->has_levels) {
		TRY(write_all(e, "privlevel", slice_make(&level, 1), err));
		++*writes;
	}
	TRY(write_all(e, "inblob", slice_make(data, TSM_DATA_LEN), err));
	++*writes;
	return OK;
}

static enum status read_aux(const struct entry *e, struct buf *aux,
			    struct err *err)
{
	struct err why;

	if (read_all(e, "auxblob", aux, &why) == OK)
		return OK;
	buf_clear(aux);
	if (why.code == E_NOTFOUND)
		return OK; /* a provider that has none */
	*err = why;
	return why.code;
}

/* One request, one entry. */
static enum status ask(const struct tsm *t, const uint8_t *data,
		       struct buf *report, struct buf *aux, struct err *err)
{
	auto_entry struct entry e = { .fd = -1 };
	uint64_t generation;

	TRY(entry_make(t->dir, &e, err));
	TRY(read_number(&e, "generation", &generation, err));
	TRY(write_request(t, &e, data, &generation, err));
	TRY(check_generation(&e, generation, err));
	TRY(read_all(&e, "outblob", report, err));
	if (aux != NULL)
		TRY(read_aux(&e, aux, err));
	TRY(check_generation(&e, generation, err));
	if (report->len == 0)
		return err_set(err, E_PARSE,
			       "tsm outblob: expected a report, found "
			       "nothing");
	return OK;
}

enum status tsm_report(struct tsm *t, const uint8_t data[static TSM_DATA_LEN],
		       struct buf *report, struct buf *aux, struct err *err)
{
	enum status status;
	unsigned int n = 0;

	do
		status = ask(t, data, report, aux, err);
	while ((status == E_AGAIN || status == E_CONFLICT) && tsm_again(&n));
	if (status == OK)
		return OK;
	buf_clear(report);
	if (aux != NULL)
		buf_clear(aux);
	return settle(status, err);
}
