/* program.h - how this process was started, so that its successor can be: which file, which arguments, in which directory.
 * Not /proc/self/exe: when the file has been replaced, that names the one which is gone. One state for the process. */
#ifndef HS_SERVER_PROGRAM_H
#define HS_SERVER_PROGRAM_H

/* Notes it, as main got it, before anything changes argv. What cannot be noted for want of memory makes hs_program_execute fail. */
void hs_program_note(int argc, char **argv);
/* The file, for messages; "" when it is not known. */
const char *hs_program_path(void);
/* Executes it anew, in the directory of its start where that can be had. Returns only on error: errno of execve(2), or ENOMEM. */
int hs_program_execute(void);

#endif
