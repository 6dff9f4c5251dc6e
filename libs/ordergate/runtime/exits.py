"""How a process of ours ends; a supervisor restarts after 1 only: a misconfiguration does not mend itself."""

EXIT_STOPPED = 0
EXIT_FAILED = 1
EXIT_MISCONFIGURED = 2
