"""Where rows come from: designs, responses, chunks."""
