#include "cmd/request_log.h"

#include "core/log.h"

void request_log(void *ctx, const struct outcome *o)
{
	const char *route = o->route != NULL ? o->route : "none";
	const struct log_field fields[] = {
		LOG_CSTR("route", route),
		LOG_U64("status", o->status),
		LOG_BOOL("sealed", o->sealed),
		LOG_BOOL("complete", o->complete),
		LOG_U64("bytes_in", o->bytes_in),
		LOG_U64("bytes_out", o->bytes_out),
		LOG_I64("ms", o->ms),
		LOG_CSTR("error", o->error),
		o->again ? LOG_BOOL("again", true) : LOG_END_,
		LOG_END_,
	};

	(void)ctx;
	log_event(o->error[0] != '\0' ? LOG_WARN : LOG_DEBUG, "request",
		  fields);
}
