"""Data sets: tables in, typed inputs, masked labels and parts out; torch-free."""
