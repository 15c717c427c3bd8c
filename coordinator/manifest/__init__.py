"""The law: text to a Manifest or to every reason against it; and what one manifest allows that another does not."""
