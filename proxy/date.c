#include "proxy/date.h"

#include <stdio.h>

#include "core/text.h"

#define DAY 86400

static const char days[] = "ThuFriSatSunMonTueWed"; /* from 1970-01-01 on */
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

void date_format(char out[static DATE_SIZE], int64_t unix_seconds)
{
	char t[TEXT_TIME_SIZE]; /* 2026-11-21T09:00:00Z */

	text_time(t, unix_seconds);
	int month = (t[5] - '0') * 10 + t[6] - '0';
	(void)snprintf(out, DATE_SIZE, "%.3s, %.2s %.3s %.4s %.8s GMT",
		       days + unix_seconds / DAY % 7 * 3, t + 8,
		       months + (month - 1) * 3, t, t + 11);
}

/* The number of the month, from 1; 0 for what is none. */
static unsigned month_of(struct slice name)
{
	for (unsigned i = 0; i < 12; i++)
		if (slice_eq(name, slice_make(months + 3 * (size_t)i, 3)))
			return i + 1;
	return 0;
}

enum status date_parse(struct slice in, int64_t *out, struct err *err)
{
	unsigned month = month_of(slice_sub(in, 8, 3));
	char again[DATE_SIZE], t[32]; /* also what is no time */
	int64_t at;

	if (in.len != DATE_LEN || month == 0)
		return err_set(err, E_PARSE,
			       "date: expected the form of \"Sun, 06 Nov 1994 "
			       "08:49:37 GMT\"");
	(void)snprintf(t, sizeof(t), "%.4s-%02u-%.2sT%.8sZ", in.p + 12, month,
		       in.p + 5, in.p + 17);
	TRY(text_untime(slice_str(t), &at, err));
	date_format(again, at);
	if (!slice_eq_str(in, again))
		return err_set(err, E_PARSE,
			       "date: the weekday or punctuation is wrong");
	*out = at;
	return OK;
}
