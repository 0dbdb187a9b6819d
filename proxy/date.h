/* The Date of HTTP messages: IMF-fixdate of RFC 9110 section 5.6.7, such as
 * "Sun, 06 Nov 1994 08:49:37 GMT". */
#ifndef CONFD_PROXY_DATE_H
#define CONFD_PROXY_DATE_H

#include "core/slice.h"

#define DATE_LEN 29		 /* characters */
#define DATE_SIZE (DATE_LEN + 1) /* with a NUL */

/* unix_seconds: years 1970 to 9999. */
void date_format(char out[static DATE_SIZE], int64_t unix_seconds);

/* Exactly that form; the obsolete ones are refused.  E_PARSE. */
enum status date_parse(struct slice in, int64_t *out, struct err *err);

#endif
