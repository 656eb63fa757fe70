#ifndef IMAPGATE_MONITOR_PAMMODULES_H
#define IMAPGATE_MONITOR_PAMMODULES_H

/*
 * PAM's modules in the monitor zygote, loaded once for all monitors that are forked from it.
 * PAM's configuration files are not read there: pam_start(3) reads them in each attempt, and
 * finds the modules that they name in memory already.
 */

#include "config/options.h"

/*
 * Loads the modules of --pam-service, within ten seconds. Modules that can't be loaded here are
 * loaded by each attempt.
 */
void	pammodules_load(const struct options *);

/*
 * Loads the modules again if one of their files was replaced. Does nothing if none are loaded.
 * Call it before each fork of a monitor.
 */
void	pammodules_refresh(const struct options *);

#endif
