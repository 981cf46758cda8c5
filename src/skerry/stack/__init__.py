"""Service definitions, the graph they make, and their renderings. Pure: reads files, runs nothing."""
