/* One line an event, to stderr: logfmt, or JSON.  Fields are typed; there is
 * no way to pass a formatted string, so content, keys and query strings do
 * not get here by accident.  Only programs (cmd/) and the services' event
 * code log; libraries return errors.
 *
 *	log_info("worker-registered", LOG_STR("group", group),
 *		 LOG_U64("lease", lease));
 *
 * Values that came from a peer are escaped. */
#ifndef CONFD_CORE_LOG_H
#define CONFD_CORE_LOG_H

#include "core/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_type { LOG_T_END, LOG_T_STR, LOG_T_U64, LOG_T_I64, LOG_T_BOOL };

struct log_field {
	enum log_type type;
	const char *name; /* a literal: a-z0-9_ */
	struct slice str;
	uint64_t u64;
	int64_t i64;
};

/* clang-format off */
#define LOG_STR(n, s) \
	((struct log_field){ .type = LOG_T_STR, .name = "" n, .str = (s) })
#define LOG_CSTR(n, s) LOG_STR(n, slice_str(s))
#define LOG_U64(n, v) \
	((struct log_field){ .type = LOG_T_U64, .name = "" n, .u64 = (v) })
#define LOG_I64(n, v) \
	((struct log_field){ .type = LOG_T_I64, .name = "" n, .i64 = (v) })
#define LOG_BOOL(n, v) \
	((struct log_field){ .type = LOG_T_BOOL, .name = "" n, .u64 = (v) })
#define LOG_ERR(e) LOG_CSTR("error", (e)->text)
/* clang-format on */

/* Set once at start.  role is put in every line ("as/net"). */
void log_setup(enum log_level least, bool json, const char *role);

/* How it was set up, to hand on to a child role. */
enum log_level log_least(void);
bool log_is_json(void);

/* fields ends with a LOG_T_END (zero) element. */
void log_event(enum log_level level, const char *event,
	       const struct log_field *fields);

/* clang-format off */
#define log_at_(level, event, ...) \
	log_event(level, "" event, (const struct log_field[]){ __VA_ARGS__ })
#define LOG_END_ ((struct log_field){ 0 })
#define log_debug(...) log_at_(LOG_DEBUG, __VA_ARGS__, LOG_END_)
#define log_info(...) log_at_(LOG_INFO, __VA_ARGS__, LOG_END_)
#define log_warn(...) log_at_(LOG_WARN, __VA_ARGS__, LOG_END_)
#define log_error(...) log_at_(LOG_ERROR, __VA_ARGS__, LOG_END_)
/* clang-format on */

#endif
