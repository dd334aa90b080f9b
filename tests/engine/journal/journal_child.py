"""A journal process for the tests to kill: `... journal_child SETTINGS_JSON LARGEST_FILE_BYTES` (0: no limit)."""

import resource
import sys

import msgspec

from engine.journal.process import JournalProcessSettings, main

if __name__ == "__main__":
    if largest := int(sys.argv[2]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    main(msgspec.json.decode(sys.argv[1], type=JournalProcessSettings))
