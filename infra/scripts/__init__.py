"""Programs for the people who develop Procession. The engine never imports them."""
