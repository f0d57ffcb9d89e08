"""From a published call to an award: modes, applications, technical assessments, decisions."""
