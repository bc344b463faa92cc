"""Prepares a corpus as Appendix A does, on Apache Beam."""
