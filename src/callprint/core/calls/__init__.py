"""Calls: from SIP messages and media flows to one row for each call attempt, features and judgement."""
