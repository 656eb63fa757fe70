#ifndef IMAPGATE_CHECK_UNITS_H
#define IMAPGATE_CHECK_UNITS_H

/* Checks whether systemd starts what is checked here, or an administrator's ExecStart= (systemd.unit(5)). */

/*
 * Prints a note for each file of the administrator's with an ExecStart= for one
 * of our services. To be called where OPTIONS_FILE is what is checked.
 */
void	units_check(void);

#endif
