#include "core/mem.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Nothing we hold is larger; a request beyond it is a mistake in somebody's
 * arithmetic. */
#define MEM_MOST ((size_t)1 << 36)

void *mem_alloc(size_t n)
{
	if (n > MEM_MOST)
		return NULL;
	return calloc(1, n == 0 ? 1 : n);
}

void *mem_calloc(size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n))
		return NULL;
	return mem_alloc(n);
}

void *mem_realloc(void *p, size_t n)
{
	if (p == NULL)
		return mem_alloc(n);

	size_t has = malloc_usable_size(p);
	if (n <= has) {
		explicit_bzero((char *)p + n, has - n);
		return p;
	}

	void *moved = mem_alloc(n);
	if (moved == NULL)
		return NULL;
	memcpy(moved, p, has);
	mem_free(p);
	return moved;
}

void mem_free(void *p)
{
	if (p == NULL)
		return;
	explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

char *mem_strdup(const char *s, size_t len)
{
	size_t n;

	if (__builtin_add_overflow(len, 1, &n))
		return NULL;
	char *copy = mem_alloc(n);
	if (copy != NULL && len > 0)
		memcpy(copy, s, len);
	return copy;
}

void *mem_must(size_t n)
{
	static const char why[] = "out of memory\n";
	void *p = mem_alloc(n);

	if (p != NULL)
		return p;
	if (write(STDERR_FILENO, why, sizeof(why) - 1) < 0)
		abort(); /* said nothing, but the end is the same */
	abort();
}
