/* In place of sim.c in a build without the software TEE (SIM=0): the same
 * names, none of which does anything. */
#include "attest/tee/sim.h"

#include "core/cleanup.h"

#define MISSING                                                          \
	"this build has no software TEE (it was made with SIM=0): take " \
	"sim policies out of the manifest, or use another build"

const struct tee tee_sim = {
	.name = "sim",
	.title = "software TEE",
	.missing = MISSING,
};

bool sim_available(void)
{
	return false;
}

static enum status none(struct err *err)
{
	return err_set(err, E_CONF, MISSING);
}

enum status sim_report_parse(struct slice raw, struct sim_report *out,
			     struct err *err)
{
	(void)raw;
	(void)out;
	return none(err);
}

void sim_report_write(const struct sim_report *r,
		      uint8_t out[static SIM_SIGNED_LEN])
{
	(void)r;
	memset(out, 0, SIM_SIGNED_LEN);
}

enum status sim_root_new(int64_t now, struct buf *out, struct err *err)
{
	(void)now;
	(void)out;
	return none(err);
}

enum status sim_root_digest(struct slice pem, uint8_t out[static 32],
			    struct err *err)
{
	(void)pem;
	(void)out;
	return none(err);
}

enum status sim_measure_self(uint8_t out[static SIM_MEASUREMENT_LEN],
			     struct err *err)
{
	(void)out;
	return none(err);
}

enum status sim_measure_file(const char *path,
			     uint8_t out[static SIM_MEASUREMENT_LEN],
			     struct err *err)
{
	(void)path;
	(void)out;
	return none(err);
}

enum status sim_device_new(struct slice pem, const struct sim_options *o,
			   struct sim_device **out, struct err *err)
{
	(void)pem;
	(void)o;
	(void)out;
	return none(err);
}

void sim_device_seal_key(const struct sim_device *d, uint8_t out[static 32])
{
	(void)d;
	memset(out, 0, 32);
}

void sim_device_free(struct sim_device *d)
{
	(void)d;
}

enum status sim_device_issue(struct sim_device *d,
			     const uint8_t report_data[static 64],
			     struct evidence *out, struct err *err)
{
	(void)d;
	(void)report_data;
	(void)out;
	return none(err);
}
