/* Bytes as text: hex, base64, escaping for people, times.
 * Encoding and decoding of hex and base64 do not branch on the data, so keys
 * may pass through them. */
#ifndef CONFD_CORE_TEXT_H
#define CONFD_CORE_TEXT_H

#include "core/buf.h"

/* Append lower-case hex. */
void text_hex(struct buf *out, struct slice in);

/* Write 2 * in.len characters and a NUL. */
void text_hex_into(char *out, size_t out_size, struct slice in);

/* Decode lower-case hex only ("strict") of exactly 2 * len characters.
 * E_PARSE names what. */
enum status text_unhex(struct slice in, uint8_t *out, size_t len,
		       const char *what, struct err *err);

/* Append base64 of RFC 4648 section 4, padded. */
void text_base64(struct buf *out, struct slice in);

/* Append base64url of RFC 4648 section 5, not padded. */
void text_base64url(struct buf *out, struct slice in);

/* Decode padded base64; refuses white space, missing or extra padding, and
 * non-zero trailing bits. */
enum status text_unbase64(struct slice in, struct buf *out, const char *what,
			  struct err *err);

/* The same with white space anywhere in it, which is passed over. */
#define TEXT_SPACE S(" \t\r\n")
enum status text_unbase64_spaced(struct slice in, struct buf *out,
				 const char *what, struct err *err);

/* Decode base64url that is not padded, as strictly. */
enum status text_unbase64url(struct slice in, struct buf *out, const char *what,
			     struct err *err);

/* Append s with every byte outside printable ASCII, and " and \, as \xNN:
 * safe on a terminal and inside quotes of a log line. */
void text_escape(struct buf *out, struct slice s);

/* RFC 3339 UTC with seconds: "2026-11-21T09:00:00Z", 20 characters and NUL. */
#define TEXT_TIME_SIZE 21
void text_time(char out[TEXT_TIME_SIZE], int64_t unix_seconds);

/* Parse exactly that form, years 1970 to 9999. */
enum status text_untime(struct slice in, int64_t *out, struct err *err);

/* Bytes of the well-formed UTF-8 sequence that s begins with; 0 when it
 * begins with none. */
size_t text_utf8_len(struct slice s);

/* True for well-formed UTF-8 (no surrogates, no overlong, <= U+10FFFF). */
bool text_is_utf8(struct slice s);

/* Restricted damerau-levenshtein distance, for "did you mean"; at most 32
 * characters a side are looked at. */
size_t text_distance(struct slice a, struct slice b);

/* A name of ours: 1 to 64 of a-z 0-9 . _ -, beginning with a letter or
 * digit. */
bool text_is_name(struct slice s);

#endif
