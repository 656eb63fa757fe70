#ifndef IMAPGATE_CHECK_UNITS_H
#define IMAPGATE_CHECK_UNITS_H

/*
 * Checks whether systemd starts the checked configuration, or an ExecStart= of the administrator
 * (systemd.unit(5)).
 */

/*
 * Prints a note for each file of the administrator that has an ExecStart= for an imapgate
 * service. Call it if OPTIONS_FILE is checked.
 */
void	units_check(void);

#endif
