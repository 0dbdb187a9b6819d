#include "core/log.h"

#include <errno.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/text.h"

#define LINE_LIMIT 4096	 /* bytes, with the newline: one write to a pipe */
#define LINE_TAIL 32	 /* of them for how many fields did not fit */
#define VALUE_LIMIT 1024 /* bytes of a string before escaping */
#define ROLE_LIMIT 32

static struct {
	enum log_level least;
	bool json;
	char role[ROLE_LIMIT];
} setup = { .least = LOG_INFO };

static const char *const level_names[] = {
	[LOG_DEBUG] = "debug",
	[LOG_INFO] = "info",
	[LOG_WARN] = "warn",
	[LOG_ERROR] = "error",
};

void log_setup(enum log_level least, bool json, const char *role)
{
	setup.least = least;
	setup.json = json;
	(void)snprintf(setup.role, sizeof(setup.role), "%s",
		       role == NULL ? "" : role);
}

enum log_level log_least(void)
{
	return setup.least;
}

bool log_is_json(void)
{
	return setup.json;
}

static bool is_bare(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c != 0 && strchr("._:/+@-", c));
}

/* Quoted where a reader of logfmt needs it. */
static void put_logfmt_str(struct buf *out, struct slice s)
{
	size_t bare = 0;

	while (bare < s.len && is_bare(s.p[bare]))
		bare++;
	if (bare == s.len && s.len > 0) {
		buf_put(out, s);
		return;
	}
	buf_put_u8(out, '"');
	text_escape(out, s);
	buf_put_u8(out, '"');
}

static void put_logfmt(struct json_out *w, const struct log_field *f)
{
	buf_putf(w->buf, "%s%s=", w->buf->len > 0 ? " " : "", f->name);
	switch (f->type) {
	case LOG_T_STR:
		put_logfmt_str(w->buf, f->str);
		return;
	case LOG_T_U64:
		buf_putf(w->buf, "%llu", (unsigned long long)f->u64);
		return;
	case LOG_T_I64:
		buf_putf(w->buf, "%lld", (long long)f->i64);
		return;
	case LOG_T_BOOL:
		buf_put_str(w->buf, f->u64 != 0 ? "true" : "false");
		return;
	case LOG_T_END:
		return;
	}
}

static void put_json(struct json_out *w, const struct log_field *f)
{
	switch (f->type) {
	case LOG_T_STR:
		json_put_str(w, f->name, f->str);
		return;
	case LOG_T_U64:
		json_put_u64(w, f->name, f->u64);
		return;
	case LOG_T_I64:
		json_put_i64(w, f->name, f->i64);
		return;
	case LOG_T_BOOL:
		json_put_bool(w, f->name, f->u64 != 0);
		return;
	case LOG_T_END:
		return;
	}
}

/* One field, or nothing when it does not fit. */
static bool put_field(struct json_out *w, struct log_field f)
{
	struct json_out before = *w;
	size_t len = w->buf->len;
	auto_buf struct buf cut = buf_make(VALUE_LIMIT + 3);

	if (f.type == LOG_T_STR && f.str.len > VALUE_LIMIT) {
		buf_put(&cut, slice_sub(f.str, 0, VALUE_LIMIT));
		buf_put_str(&cut, "...");
		f.str = buf_slice(&cut);
	}
	if (setup.json)
		put_json(w, &f);
	else
		put_logfmt(w, &f);
	if (!w->buf->bad)
		return true;
	*w = before;
	buf_cut(w->buf, len);
	return false;
}

/* How many did not fit. */
static uint64_t put_fields(struct json_out *w, const struct log_field *fields)
{
	uint64_t dropped = 0;

	for (; fields->type != LOG_T_END; fields++)
		dropped += !put_field(w, *fields);
	return dropped;
}

/* A line that cannot be written is lost: there is nobody to tell. */
static void write_line(struct slice line)
{
	ssize_t n;

	do
		n = write(STDERR_FILENO, line.p, line.len);
	while (n < 0 && errno == EINTR);
}

void log_event(enum log_level level, const char *event,
	       const struct log_field *fields)
{
	int saved = errno;
	char now[TEXT_TIME_SIZE];
	auto_buf struct buf line = buf_make(LINE_LIMIT - LINE_TAIL);
	struct json_out w = { .buf = &line };

	if (level < setup.least)
		return;
	text_time(now, clock_wall());
	const struct log_field first[] = {
		LOG_CSTR("time", now),
		LOG_CSTR("level", level_names[level]),
		LOG_CSTR("event", event),
		LOG_CSTR("role", setup.role),
		{ 0 },
	};
	if (setup.json)
		json_open_object(&w, NULL);
	uint64_t dropped = put_fields(&w, first) + put_fields(&w, fields);
	line.max = LINE_LIMIT;
	if (dropped > 0)
		put_field(&w, LOG_U64("dropped", dropped));
	if (setup.json)
		json_close_object(&w);
	buf_put_u8(&line, '\n');
	write_line(buf_slice(&line));
	errno = saved;
}
