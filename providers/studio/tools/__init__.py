"""Programs around the film: plates, measurements, contact sheets, samples, benches. None is needed to serve."""
