/* io_job.c - jobs of the documented thread-pool API, and the one that reads a resource into a string. */
