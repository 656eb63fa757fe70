/*
 * Units of the administrator, see units.h. Run by --check. Before there was a file of options,
 * they were set by "systemctl edit". Such a command line still works, but --check without
 * options does not examine it.
 */

#include "check/units.h"

#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "check/finding.h"
#include "config/options.h"

/* Places of units and drop-ins of administrators and of "systemctl edit --runtime". */
static const char *const patterns[] = {
	"/etc/systemd/system/imapgate*.service",
	"/etc/systemd/system/imapgate*.service.d/*.conf",
	"/run/systemd/system/imapgate*.service",
	"/run/systemd/system/imapgate*.service.d/*.conf",
};

/*
 * Returns whether a line is an ExecStart= with a path, perhaps after prefixes
 * (systemd.service(5)).
 */
static bool
is_command(const char *line)
{
	static const char name[] = "ExecStart";

	line += strspn(line, " \t");
	if (strncmp(line, name, sizeof(name) - 1) != 0)
		return false;
	line += sizeof(name) - 1;
	line += strspn(line, " \t");
	if (*line++ != '=')
		return false;
	return line[strspn(line, " \t@-:+!|\"")] == '/';
}

/* Returns whether a file has an ExecStart= with a command; an empty one only removes others. */
static bool
has_command(const char *file)
{
	FILE *f = fopen(file, "re");
	char line[4096];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		found = is_command(line);
	if (f != NULL)
		fclose(f);
	return found;
}

void
units_check(void)
{
	glob_t found = { 0 };
	size_t i;

	for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		glob(patterns[i], i > 0 ? GLOB_APPEND : 0, NULL, &found);
	for (i = 0; i < found.gl_pathc; i++)
		if (has_command(found.gl_pathv[i]))
			finding_report(FINDING_NOTE, found.gl_pathv[i], "its ExecStart= is not what is checked here; move its options and program into "
			    OPTIONS_FILE ", and remove it");
	globfree(&found);
}
