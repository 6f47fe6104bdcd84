//! Tests of the filters, field by field.
