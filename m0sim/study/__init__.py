"""On-device learning: methods and networks, what-if questions about memory, their reports and verbs. Extra: study."""
