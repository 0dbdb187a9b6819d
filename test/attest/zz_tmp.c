#include "attest/manifest.h"
#include "core/file.h"
#include "test/test.h"
TEST(zz)
{
	for (int i = 0; i < 2; i++) {
	char path[64]; struct err err = {0};
	auto_buf struct buf b = buf_make(100000), w = buf_make(10000);
	struct manifest *m = NULL;
	(void)snprintf(path, sizeof path, "/tmp/fzc/ex%d.json", i);
	CHECK(file_read(path, &b, &err) == OK);
	if (!EXPECT(manifest_parse(buf_slice(&b), path, &m, &err) == OK)) {printf("%s\n", err.text); return;}
	manifest_warnings(m, &w);
	printf("%s--\n", buf_cstr(&w));
	if (manifest_check(m, &err) != OK) printf("%s\n", err.text);
	manifest_free(m);
	}
}
