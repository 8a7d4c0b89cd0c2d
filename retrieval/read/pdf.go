package read

func readPDF(r *reading) (*Document, error) { return nil, r.fail("TODO") }
