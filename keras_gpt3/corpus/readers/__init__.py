"""Reads the formats that text comes in; what is malformed is put aside."""
