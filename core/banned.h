/* Functions that we do not call, because they do not know how long their
 * target is or hide their failures.  Included by every .c file through
 * core/slice.h; a use does not compile. */
#ifndef CONFD_CORE_BANNED_H
#define CONFD_CORE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Macros of the C library where it checks lengths itself (_FORTIFY_SOURCE). */
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets
#pragma GCC poison strtok atoi atol atoll gmtime localtime ctime asctime

#endif
