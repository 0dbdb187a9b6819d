#include "core/cleanup.h"
#include "core/clock.h"
#include "core/io/http_client.h"

/* A connection that waits for its next use; the list has the youngest first,
 * so that the oldest ones are those that expire. */
struct idle {
	struct idle *next;
	struct http_pool *pool;
	struct http_client *client;
	int64_t until; /* milliseconds of clock_mono_ms */
};

struct http_pool {
	struct loop *loop;
	struct http_client_settings set;
	size_t max;
	int64_t keep_ms;
	size_t n;
	struct idle *first;
	struct loop_timer *timer;
};

/* Take the entry that *at points to out of the list. */
static struct http_client *take_out(struct http_pool *p, struct idle **at)
{
	struct idle *i = *at;
	struct http_client *c = i->client;

	*at = i->next;
	p->n--;
	http_client_watch(c, NULL, NULL);
	mem_free(i);
	return c;
}

static void on_gone(void *ctx)
{
	struct idle *i = ctx;
	struct http_pool *p = i->pool;

	for (struct idle **at = &p->first; *at != NULL; at = &(*at)->next)
		if (*at == i) {
			http_client_free(take_out(p, at));
			return;
		}
}

static struct idle **oldest(struct http_pool *p)
{
	struct idle **at = &p->first;

	while (*at != NULL && (*at)->next != NULL)
		at = &(*at)->next;
	return at;
}

static void on_timer(void *ctx)
{
	struct http_pool *p = ctx;
	int64_t now = clock_mono_ms();
	struct idle **at = oldest(p);

	while (*at != NULL && (*at)->until <= now) {
		http_client_free(take_out(p, at));
		at = oldest(p);
	}
	if (*at != NULL)
		loop_timer_arm(p->timer, (*at)->until - now);
}

enum status http_pool_new(struct loop *l, const struct http_client_settings *s,
			  size_t max_idle, int64_t keep_ms,
			  struct http_pool **out, struct err *err)
{
	struct http_pool *p = mem_must(sizeof(*p));

	(void)err;
	p->loop = l;
	p->set = *s;
	if (p->set.tls != NULL)
		p->set.tls = tls_ref(p->set.tls);
	p->max = max_idle;
	p->keep_ms = keep_ms;
	p->timer = loop_timer_new(l, on_timer, p);
	*out = p;
	return OK;
}

void http_pool_free(struct http_pool *p)
{
	if (p == NULL)
		return;
	while (p->first != NULL)
		http_client_free(take_out(p, &p->first));
	loop_timer_free(p->timer);
	tls_unref(p->set.tls);
	mem_free(p);
}

enum status http_pool_take(struct http_pool *p, struct http_client **out,
			   struct err *err)
{
	while (p->first != NULL) {
		struct http_client *c = take_out(p, &p->first);

		if (http_client_reusable(c)) {
			*out = c;
			return OK;
		}
		http_client_free(c);
	}
	return http_client_new(p->loop, &p->set, out, err);
}

void http_pool_give(struct http_pool *p, struct http_client *c)
{
	if (c == NULL)
		return;
	if (!http_client_reusable(c) || p->max == 0) {
		http_client_free(c);
		return;
	}
	if (p->n == p->max)
		http_client_free(take_out(p, oldest(p)));

	struct idle *i = mem_must(sizeof(*i));
	*i = (struct idle){ .next = p->first,
			    .pool = p,
			    .client = c,
			    .until = clock_mono_ms() + p->keep_ms };
	p->first = i;
	if (p->n++ == 0)
		loop_timer_arm(p->timer, p->keep_ms);
	http_client_watch(c, on_gone, i);
}
