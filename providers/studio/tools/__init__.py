"""Development tools for the film: plates, measurements, contact sheets, samples, benches. Serving needs none."""
