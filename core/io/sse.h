/* Server-sent events: where they end, and what is in them.
 *
 * Source: WHATWG HTML, section 9.2.  A line ends in CRLF, LF or CR; an empty
 * line ends an event.  The scanner only finds the ends: the bytes are the
 * caller's and pass on unchanged, wherever the stream was cut. */
#ifndef CONFD_CORE_IO_SSE_H
#define CONFD_CORE_IO_SSE_H

#include "core/slice.h"

struct sse_scan {
	size_t max;  /* bytes of one event */
	size_t size; /* private: bytes of this event so far */
	bool open;   /* private: this event has a line that is not empty */
	bool text;   /* private: this line is not empty */
	bool cr;     /* private: the last byte was the CR of a line end */
};

/* At the beginning of a stream; max is the size of one event in bytes. */
static inline struct sse_scan sse_scan_make(size_t max)
{
	return (struct sse_scan){ .max = max };
}

/* Consume bytes up to and including the next end of an event.
 *
 * *used	bytes consumed: all of in when *end is false.
 * *end		an event is complete with the last byte consumed.
 *
 * A CR at the end of in ends its line at once; if the next input begins with
 * LF, that belongs to the CR and is the first byte consumed then, so it is in
 * front of the next event (sse_next_field() passes over it).  Each further
 * empty line is an event of its own, without fields.
 *
 * E_LIMIT when an event is larger than max; final. */
enum status sse_scan_next(struct sse_scan *scan, struct slice in, size_t *used,
			  bool *end, struct err *err);

/* True when a part of an event was consumed: the end of the stream here cuts
 * that event off. */
bool sse_scan_partial(const struct sse_scan *scan);

/* Take the next line off a whole event (or any whole lines); false when there
 * is none left.  The slices are parts of *event.
 *
 * name		what is before the first colon, or the whole line when there
 *		is none; empty for a comment.
 * value	what is behind it, without one leading space.
 *
 * Empty lines are passed over.  A byte order mark is not removed. */
bool sse_next_field(struct slice *event, struct slice *name,
		    struct slice *value);

#endif
