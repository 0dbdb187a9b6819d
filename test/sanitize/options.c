/* Options of the sanitized program, linked into it alone.  A daemon cannot be
 * traced, which is what the leak check would do at its end; the unit tests have
 * that check. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
